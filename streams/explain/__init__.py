"""Why an alert was raised: its rule, figures and life in words, and whether the log still gives it."""
