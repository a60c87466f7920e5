"""The RIS: who is to be imaged, when, where, by whom."""
