"""`python -m pretrain.gpu`: see `side_by_side`."""

from pretrain.gpu.side_by_side import main

if __name__ == "__main__":
    main()
