"""DICOMweb: QIDO-RS and WADO-RS (PS3.18)."""
