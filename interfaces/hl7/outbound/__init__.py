"""Messages that go: asked for, written, delivered."""
