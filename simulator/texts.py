"""What radiologists write and say: sentences that fit the examination."""

import random

import numpy as np

_NORMAL = {
    "HEAD": ("No haemorrhage. No mass effect. Ventricles and sulci are of normal width for age.",
             "No acute intracranial finding."),
    "CHEST": ("Lungs are clear. No effusion. Heart and mediastinum are of normal size.",
              "No acute cardiopulmonary finding."),
    "ABDOMEN": ("Liver, spleen, pancreas and kidneys are normal. No free fluid. Bowel is not dilated.",
                "No acute abdominal finding."),
    "BRAIN": ("No restricted diffusion. No abnormal signal of white matter. Midline structures are normal.",
              "Normal MR of the brain."),
    "LSPINE": ("Normal alignment. Discs keep their height. The spinal canal is wide.", "No disc prolapse."),
    "KNEE": ("Menisci, cruciate and collateral ligaments are intact. No effusion.",
             "No internal derangement."),
    "NECK": ("Thyroid of normal size and echo texture. No enlarged lymph nodes.",
             "Normal ultrasound of the neck."),
    "ANKLE": ("No fracture line. Congruent joint. Soft tissue swelling laterally.", "No fracture."),
}  # fmt: skip
_FOUND = {
    "HEAD": ("Hyperdense crescent along the left convexity, 8 mm wide, with 3 mm midline shift.",
             "Acute subdural haematoma on the left."),
    "CHEST": ("Consolidation in the right lower lobe with air bronchograms and a small effusion.",
              "Pneumonia of the right lower lobe."),
    "ABDOMEN": ("Gallbladder wall is 6 mm thick, with a stone of 12 mm in the neck.",
                "Acute cholecystitis with a stone."),
    "BRAIN": ("Seven ovoid lesions of periventricular white matter, bright in T2, one of them new.",
              "Demyelinating disease with one new lesion."),
    "LSPINE": ("L5/S1: prolapse of 7 mm to the left, touching the S1 root.",
               "Disc prolapse L5/S1 on the left."),
    "KNEE": ("Oblique tear of the posterior horn of the medial meniscus. Small effusion.",
             "Tear of the medial meniscus."),
    "NECK": ("Hypoechoic nodule of 14 mm in the right lobe, with a smooth margin.",
             "Thyroid nodule, TI-RADS 4."),
    "ANKLE": ("Oblique fracture of the lateral malleolus at the level of the syndesmosis, not displaced.",
              "Fracture of the lateral malleolus, Weber B."),
}  # fmt: skip
ADDENDA = (
    "The referring physician was told of the result by telephone.",
    "Compared with the examination taken over from the old archive there is no change.",
    "Image 4 was looked at again; the impression stays as it is.",
)
RATE = 16_000
"""Samples a second of a dictation."""


def sections(dice: random.Random, *, body_part: str, technique: str, indication: str) -> dict[str, str]:
    """The sections of a report."""
    findings, impression = (_FOUND if dice.random() < 0.3 else _NORMAL)[body_part]
    return {
        "indication": indication,
        "technique": technique,
        "comparison": "None.",
        "findings": findings,
        "impression": impression,
    }


def speech(dice: random.Random, seconds: float) -> bytes:
    """What sounds a little like speech: syllables of a buzzing voice, 16 bit, mono, little endian."""
    noise = np.random.default_rng(dice.getrandbits(32))
    t = np.arange(int(seconds * RATE)) / RATE
    pitch = 115 + 18 * np.sin(2 * np.pi * 0.7 * t) + 6 * np.sin(2 * np.pi * 2.3 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = sum(np.sin(n * phase) / n for n in range(1, 9))
    syllables = np.clip(np.sin(2 * np.pi * 2.1 * t + 2 * np.sin(2 * np.pi * 0.31 * t)), 0, 1) ** 0.6
    breath = noise.normal(0, 0.02, t.size)
    return bytes((6000 * (0.5 * voice * syllables + breath)).astype("<i2").tobytes())
