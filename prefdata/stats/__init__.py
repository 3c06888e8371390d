"""Statistics of preferences: numbers in, numbers out; nothing here knows files, columns or rules."""
