"""Quality control: what was rejected and why."""
