"""Turnaround: where each study is, who has it, how long each part of its way took, and will it be late.

`intervals` names the parts, `stage_time` and `cohort` measure them, `survival` estimates, `interval_figures`
puts the results together, `breakdown` says by what; they know no database. `turnaround_rows` reads what they
work on, `period_figures` and `backlog` answer questions, `orphans` lists what nobody cares for, `milestones`
keeps the items' times.
"""
