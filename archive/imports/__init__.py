"""What comes in other than over the network: discs, folders of files, scanned film and paper."""
