"""Administration: what the site file put in force, users, tokens, queues, quarantine, the audit trail."""
