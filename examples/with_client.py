"""One picture in, edits of it out, with tailor-client. TAILOR_API_KEY is needed where the server wants one."""

import os
import sys

from tailor_client import JobFailedError, ProblemError, Tailor

picture = sys.argv[1] if len(sys.argv) > 1 else "samples/dog.png"

with Tailor(os.environ.get("TAILOR_URL", "http://localhost:8000")) as tailor:
    try:
        dog = tailor.personalize(picture, "a standing dog on the grass", labels={"name": "Rex"})
        for event in tailor.events(dog):
            if event.type == "progress":
                print(f"learned {event.data['step']} of {event.data['steps']} steps")

        sitting = tailor.wait(tailor.edit(dog, "a sitting dog", num_images=2))
        for result in sitting.results:
            print(result.save(f"sitting-{result.index}.png", tailor))

        grid = tailor.wait(tailor.edit(dog, "a dog in the snow", sweep={"tail_scale": [0.8, 1.0], "seed": [1, 2]})).grid
        if grid:
            print(grid.save("snow.png", tailor))
    except ProblemError as refused:
        sys.exit(f"refused: {refused} (field {refused.field}, limit {refused.limit})")
    except JobFailedError as failed:
        sys.exit(str(failed))
