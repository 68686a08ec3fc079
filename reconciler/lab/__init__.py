"""The virtual metal: a data centre in miniature inside namespaces of its own. Never: production code paths of its own making."""
