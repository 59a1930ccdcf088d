"""Telemetry put into notebook files, and taken out again, as text: no other byte changes."""
