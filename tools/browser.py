"""Find a Chromium for the test that opens the site; `--install` fetches Debian's when there is none and we may

Playwright from PyPI drives it, so its own browsers are not needed."""
import argparse,os,shutil,subprocess

names = 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'

def find():
    "Path of a browser: `ITR_NB_CHROME` if it is set, else the first on PATH, else None"
    given = os.environ.get('ITR_NB_CHROME')
    return given or next(filter(None, map(shutil.which, names)), None)

def install():
    "Install Debian's chromium if no browser is found, apt-get exists and we are root; say so if that is not possible"
    if find(): return
    if not (shutil.which('apt-get') and os.geteuid()==0):
        return print('no Chromium found: the test that opens the site will be skipped (apt install chromium, or set ITR_NB_CHROME)')
    print("installing Debian's chromium for the test that opens the site")
    env = {**os.environ, 'DEBIAN_FRONTEND':'noninteractive'}
    for args in (['update', '-qq'], ['install', '-y', '-qq', '--no-install-recommends', 'chromium']):
        done = subprocess.run(['apt-get', *args], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode: return print(f'apt-get {args[0]} failed:\n{done.stdout[-1000:]}')

if __name__=='__main__':
    args = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    args.add_argument('--install', action='store_true', help='install one if none is found')
    if args.parse_args().install: install()
    else: print(find() or 'none')
