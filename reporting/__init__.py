"""Reading: who reads what, dictation, transcription, report, signature, turnaround."""
