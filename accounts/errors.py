"""What is refused about users and tokens, for a person to read."""


class AccountError(ValueError):
    """Refused; `field` is what it is about, `texts` say why and what to do."""

    def __init__(self, field: str, *texts: str) -> None:
        super().__init__(" ".join(texts))
        self.field = field
        self.texts = texts
