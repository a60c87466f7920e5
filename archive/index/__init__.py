"""The index: study, series and instance rows from the headers of what was received."""
