"CUSA: soft labels across and within modalities (Huang and others, AAAI 2024)"
from .clip import clip
from .fusion import blip,ITMLoss,xvlm
from .soft_labels import CSALoss,soft_label_kl,USALoss
from .teachers import OnlineTeachersCB,save_teachers,Teachers,with_teachers
from .unicom import load_unicom
