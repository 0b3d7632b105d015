"A warm process that does one job after another, each in a fork of its own: what takes seconds to import is imported once"
import json,os,subprocess,sys,tempfile,traceback

class Warm:
    "Another process, started as `script --serve`"
    def __init__(self,
        script, # A file that calls `serve` when it is told to
    ):
        env = {**os.environ, 'OMP_NUM_THREADS':'1', 'HF_HUB_OFFLINE':'1', 'TOKENIZERS_PARALLELISM':'false'}
        self.process = subprocess.Popen([sys.executable, str(script), '--serve'], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, job):
        "What is said of a job, a line of text; empty when all is well"
        self.process.stdin.write(f'{job}\n')
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()

def in_fork(do, job):
    "What `do(job)`, lines of text, says in a fork of this process, or prints on its way if it fails; empty when it says nothing"
    with tempfile.TemporaryFile() as log:
        pid = os.fork()
        if not pid:
            code = 1
            try:
                os.dup2(log.fileno(), 1); os.dup2(log.fileno(), 2)
                lines = do(job)
                print('\n'.join(lines))
                code = bool(lines)
            except BaseException: traceback.print_exc()
            finally:
                sys.stdout.flush(); sys.stderr.flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        log.seek(0)
        said = log.read().decode(errors='replace').strip()
    return (said or f'exit code {code}') if code else ''

def serve(do):
    "Answer each job on standard input with a line of JSON"
    import accelerate,IPython,matplotlib.pyplot,nbdev.test,nltk.tokenize,pydantic,sentence_transformers,torch._dynamo,transformers # noqa: what nearly every page imports, some late
    answers = os.fdopen(os.dup(1), 'w')
    for line in sys.stdin:
        answers.write(json.dumps(in_fork(do, line.strip()))+'\n')
        answers.flush()
