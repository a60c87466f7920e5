"""DICOM messages over the network (DIMSE)."""
