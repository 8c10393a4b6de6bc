"""What cloud service providers do: accounts, credentials, jobs from first to last, and their statements."""
