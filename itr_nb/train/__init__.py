"One training loop, and what happens beside it"
from .callbacks import (
    BestSnapshotCB,CheckpointCB,CollapseAlarmCB,EarlyStopCB,EMACB,HingeWarmupCB,
    ProgressCB,ScheduleCB,TemperatureAlarmCB,TrackerCB,
)
from .learner import Callback,Learner
from .processes import end_processes
