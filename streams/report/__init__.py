"""A week's spend against what it bought, for a person to read: pure, from KPI records to text, JSON and a page."""
