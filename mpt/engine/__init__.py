"""How training and evaluation are made fast; knows no method's mathematics."""
