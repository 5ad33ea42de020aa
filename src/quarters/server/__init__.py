"""The HTTP server: the API, the files of repositories, and who may do what; handlers parse, call one verb, render."""
