"""The Modality Worklist: which steps a station gets, and why it doesn't get one (PS3.4 annex K)."""
