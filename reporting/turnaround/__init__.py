"""Turnaround: where each study is, who has it, how long each part of its way took, and will it be late.

`intervals` names the parts, `owning` and `observing` measure them, `survival` estimates, `figures` puts the
results together, `grouping` says by what; they know no database. `rows` reads what they work on, `reports`
and `live` answer questions, `orphans` lists what nobody cares for, `milestones` keeps the items' times.
"""
