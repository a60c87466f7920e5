"""What happened and what is still to be done: events, audit, jobs, leases, stamps, heartbeats."""
