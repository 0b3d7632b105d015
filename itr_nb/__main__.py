"`python -m itr_nb` is the command `itr`"
from .cli import main

main()
