"""What the operating system says it measured: IMA logs, their replay and appraisal. Never: the firmware's log."""
