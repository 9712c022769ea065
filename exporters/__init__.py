"""What a publication is brought to: PostgreSQL, Redis, `.env`, JSON files.

Every destination has one shape, plan -> apply -> verify (`exporters.destination`).
"""
