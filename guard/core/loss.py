"""What is asked instead when the shared store does not answer: `store.on_failure` of a policy, as a pure function.

The answer is another question, for what this one process knows by itself (`state/share.py`), or that there is none:
then the message is refused. What is left out of a question is what the policy lets pass unasked.
"""

import msgspec

from guard.model.policy import OnLoss
from guard.model.questions import Charge


def alternative(charge: Charge) -> Charge | None:
    """The question for what this process knows; None if the policy refuses what the shared store cannot answer.

    A message that needs no freshness does not depend on what is said of replay, nor one without limits on theirs.
    """
    loss = charge.loss
    if charge.once is not None and loss.replay is OnLoss.DENY:  # knockout: loss_of_replay
        return None
    if charge.debits and loss.limits is OnLoss.DENY:  # knockout: loss_of_limits
        return None
    return msgspec.structs.replace(
        charge,
        once=charge.once if loss.replay is OnLoss.LOCAL else None,
        debits=charge.debits if loss.limits is OnLoss.LOCAL else (),
    )
