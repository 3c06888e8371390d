"""What texts hold: languages, secrets, personal data, loops; nothing here knows rules."""
