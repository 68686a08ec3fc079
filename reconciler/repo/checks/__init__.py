"""Whether documents that fit together also make sense. Never: what one document may hold, names that lead nowhere."""
