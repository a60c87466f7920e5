"""A simulated hospital that speaks only the wire protocols: a HIS, four modalities, and those who work there.

`python -m simulator` plays a working day against a running system, whose addresses, tokens and password it
takes from its environment. What was really done, and which faults were seeded, it writes to a truth file that
the product never reads. Minutes in this package are minutes of the simulated day, from its beginning.
"""
