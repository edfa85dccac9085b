"""What a printed result of the authors' test script rests on."""
