"""Ringfence: GitOps for bare-metal enclaves. Each folder is a room; its sign says what lives there."""
