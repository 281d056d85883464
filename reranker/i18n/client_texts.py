CLIENT_TEXTS: dict[str, dict[str, str]] = {}
