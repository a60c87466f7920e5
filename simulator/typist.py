"""The transcriptionist: takes what was dictated, the most due first, listens, and types it."""

import random
import threading
from typing import Any

from simulator.agenda import attempt
from simulator.api import Api
from simulator.hospital import Hospital
from simulator.readers import Pool

MINUTES_FOR_EACH = 3.0
POOR_AUDIO = 0.08
"""The share of dictations that go back to their author."""


class Typist:
    """One transcriptionist, working in a thread of her own."""

    def __init__(self, user: str, hospital: Hospital, pool: Pool) -> None:
        self.user = user
        self._hospital = hospital
        self._pool = pool
        self._api = hospital.api(user)
        self._dice = random.Random(f"{user} {hospital.run}")

    def start(self) -> None:
        """Begin to type."""
        if self._api is not None:
            threading.Thread(target=self._run, args=(self._api,), name=self.user, daemon=True).start()

    def _run(self, api: Api) -> None:
        clock = self._hospital.clock
        while not clock.stop.is_set():
            found: list[bool] = []
            attempt(self.user, lambda found=found: found.append(self._type_one(api)), self._hospital.say)  # type: ignore[misc]
            if found != [True]:
                clock.stop.wait(max(1.0, min(5.0, clock.seconds(3))))

    def _type_one(self, api: Api) -> bool:
        """Type one dictation; whether there was any."""
        if not api.get("/transcription", limit="1")["count"]:
            return False
        dictation = api.post("/transcription/next")
        uuid = dictation["id"]
        words = self._pool.spoken.get(uuid)
        self._hospital.clock.wait(MINUTES_FOR_EACH * self._dice.uniform(0.6, 1.6))
        if words is None or self._dice.random() < POOR_AUDIO:
            api.post(f"/dictations/{uuid}/return", {"reason": "poor audio", "note": "Hums from the start."})
            self._pool.count("returned")
            return True
        typed = {name: words[name] for name in ("findings", "impression")}
        self._hand_back(api, dictation, typed)
        self._pool.count("typed")
        return True

    @staticmethod
    def _hand_back(api: Api, dictation: dict[str, Any], typed: dict[str, str]) -> None:
        """Save half of it first, as one does, then hand it to its author."""
        half = {"findings": typed["findings"]}
        saved = api.post(
            f"/dictations/{dictation['id']}/save", {"sections": half, "revision": dictation["revision"]}
        )
        api.post(f"/dictations/{dictation['id']}/type", {"sections": typed, "revision": saved["revision"]})
