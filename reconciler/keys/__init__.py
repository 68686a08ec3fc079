"""The relying party: may this key go to this node, and to which recipient. Pure. Never: key material at rest."""
