"""The inspector in a browser: a server on this machine alone, with an application for each page that is open."""
