"""Demijohn beside what it replaces, measured in one run. README.md says how, and what each figure means."""
