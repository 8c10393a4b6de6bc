"""The bitmap store: what one oracle saw, tick by tick, durable, in SQLite or in PostgreSQL."""
