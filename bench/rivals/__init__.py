"""The field on one bench: other methods of personalization on the same backbone, cases and judges as HiPer."""
