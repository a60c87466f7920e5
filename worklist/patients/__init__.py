"""Patients: who they are, how they are found, and how their names are compared."""
