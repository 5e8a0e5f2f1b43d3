"""What MLflow runs when it loads a registered prompt ("models from code": nothing is pickled).

It is copied into the model and executed there; importing it anywhere else does nothing of use.
"""

from mpt.lab.delivery import announce_model

announce_model()
