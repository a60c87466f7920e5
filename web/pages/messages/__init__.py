"""HL7 messages: what came and goes, what was answered, what it did; repair, replay, hold, resend."""
