"""Walking a plan: order, limits, deadlines, gates. Never: deciding what should be done."""
