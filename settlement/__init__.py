"""From final reports to money: what to settle, in which ranges, and what it comes to."""
