# make demo   one picture in, edits of it out: demo.png           make up     the server, until Ctrl-C
# make test   all tests                                           make lint   ruff and mypy
# make chart  the Helm chart, linted and rendered by Helm, its objects held against Kubernetes' schemas
# make dist   the wheels, in dist/                                make test-images   both images built and used
# make test-browser   the pages at / and /docs in Chromium, with pictures of every state in out/browser/
# make faults breaks a running fleet again and again, and counts what was lost: most of two hours
# make contract  holds a real server to its OpenAPI document: thousands of generated requests, all checks, a few minutes
#                (make test has a short run of it)
# Variables: PYTHON=/path/to/python3.12; TORCH_INDEX=the URL of PyTorch's index of CPU builds (Linux without a GPU:
# 200 MB in place of several GB); ARGS="..." for pytest, tailor up or tailor demo.
PYTHON ?=
TORCH_INDEX ?=
ARGS ?=
export PYTHON TORCH_INDEX

.PHONY: demo up test test-images test-browser contract lint faults chart venv dist clean

demo: venv
	@.venv/bin/tailor demo $(ARGS)

up: venv
	@.venv/bin/tailor up $(ARGS)

test: venv
	@.venv/bin/python -m pytest -q -n 2 --dist loadfile --durations=10 $(ARGS)

test-images: venv
	@.venv/bin/python -m tests.images $(ARGS)

test-browser: venv
	@.venv/bin/python -m pip install --quiet -c constraints.txt -e '.[browser]'
	@.venv/bin/python -m tests.browser $(ARGS)

faults: venv
	@.venv/bin/python -m bench.faults --faults 200 --jobs 300 $(ARGS)

contract: venv
	@.venv/bin/python -m tests.contract $(ARGS)

lint: venv
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

chart: venv
	@.venv/bin/python -m pip install --quiet -c constraints.txt -e '.[chart]'
	@.venv/bin/python -m pytest -q tests/deployment/test_chart.py tests/deployment/test_chart_scaling.py $(ARGS)

venv:
	@sh scripts/install.sh

# Three wheels: tailor, its client, and tailor-critters with the embedded model. Made from nothing, as setuptools keeps what was deleted.
dist: venv
	rm -rf build models/build client/build dist
	.venv/bin/python -m pip wheel --quiet --no-deps --wheel-dir dist . ./client ./models
	@ls -l dist

clean:
	rm -rf build models/build client/build dist demo demo.png *.egg-info models/*.egg-info client/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
