"""What all pages stand on: requests, layout, lists."""
