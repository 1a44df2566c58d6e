"""The panel of models in JupyterLab and Notebook 7: what is in use, what runs, what is in the cache."""
