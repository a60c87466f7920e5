"""What the hospital does to whom: procedures as the demo site's catalogue has them, and its four stations."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Procedure:
    """A procedure; `minutes` is how long the exam takes, `share` how often it is ordered."""

    code: str
    description: str
    modality: str
    body_part: str
    minutes: int
    share: int
    side: str = ""


STATIONS = {"CT": "CT1", "MR": "MR1", "US": "US1", "CR": "CR1"}
"""The AE title of the station of each modality."""

PROCEDURES = (
    Procedure("70450", "CT head", "CT", "HEAD", 8, 10),
    Procedure("71250", "CT chest", "CT", "CHEST", 10, 8),
    Procedure("71260", "CT chest with contrast", "CT", "CHEST", 12, 6),
    Procedure("74177", "CT abdomen and pelvis with contrast", "CT", "ABDOMEN", 13, 5),
    Procedure("70551", "MR brain", "MR", "BRAIN", 18, 7),
    Procedure("72148", "MR lumbar spine", "MR", "LSPINE", 20, 5),
    Procedure("73721", "MR knee", "MR", "KNEE", 18, 4, "R"),
    Procedure("76700", "Ultrasound abdomen", "US", "ABDOMEN", 12, 15),
    Procedure("76536", "Ultrasound neck", "US", "NECK", 9, 7),
    Procedure("71046", "Chest X-ray 2 views", "CR", "CHEST", 5, 24),
    Procedure("73610", "Ankle X-ray", "CR", "ANKLE", 5, 9, "L"),
)

REASONS = {
    "HEAD": ("Fall, on anticoagulants", "Sudden headache", "Suspected stroke"),
    "CHEST": ("Cough for six weeks", "Shortness of breath", "Pneumonia?", "Follow-up of a nodule"),
    "ABDOMEN": ("Right upper abdominal pain", "Raised liver values", "Weight loss"),
    "BRAIN": ("Seizure, first", "Multiple sclerosis, follow-up", "Dizziness"),
    "LSPINE": ("Low back pain, left leg numb", "Disc prolapse?"),
    "KNEE": ("Twisted at football", "Meniscus tear?"),
    "NECK": ("Thyroid nodule", "Enlarged lymph nodes"),
    "ANKLE": ("Twisted ankle, swelling", "Fracture?"),
}
REFERRERS = (("1234", "Smith", "Anna"), ("2345", "Öztürk", "Deniz"), ("3456", "Brandt", "Heiko"))
