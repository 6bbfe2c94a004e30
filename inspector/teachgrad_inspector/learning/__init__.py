"""Learning by predicting: questions that a recording answers, misconceptions, score files and tours.

What is here stands on the views and knows nothing of the application.
"""
