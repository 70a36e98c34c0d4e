"""A network that learns what actions are worth, and balances a pole: `pip install "flambeau[rl]"`,
then

    python examples/dqn.py

An episode of CartPole gives 1 for each step until the pole falls, 500 at most. The network says of
each action how much is to follow; what it says of a step is brought towards the reward plus what a
slower copy of it says of the next one, on steps drawn from a memory (deep Q-learning: Mnih et al.,
2015; the action that the copy is asked about is the network's own choice: van Hasselt et al.,
2016). The program fails below its score.
"""

import argparse
import copy
import sys

import flambeau as torch
from flambeau import nn
from flambeau.distributions import Bernoulli

try:
    import gymnasium
except ImportError:
    sys.exit('this program needs gymnasium: pip install "flambeau[rl]"')

WANTED = 195.0  # the mean of the last 20 episodes


class Memory:
    """The last steps, in tensors that are written in turns."""

    def __init__(self, size: int, seen: int) -> None:
        self.before = torch.zeros(size, seen)
        self.after = torch.zeros(size, seen)
        self.action = torch.zeros(size, dtype=torch.long)
        self.reward = torch.zeros(size)
        self.fallen = torch.zeros(size)
        self.size, self.count = size, 0

    def add(self, before, action: int, reward: float, after, fallen: bool) -> None:
        place = self.count % self.size
        self.before[place], self.after[place] = before, after
        self.action[place], self.reward[place] = action, reward
        self.fallen[place] = float(fallen)
        self.count += 1

    def draw(self, n: int):
        i = torch.randint(min(self.count, self.size), (n,))
        every = self.before, self.action, self.reward, self.after, self.fallen
        return [t[i] for t in every]


def worth(net, target, batch, discount: float):
    """What the network says of the steps of a batch, and what it should say."""
    before, action, reward, after, fallen = batch
    said = net(before).gather(1, action.unsqueeze(1)).squeeze(1)
    with torch.no_grad():
        best = net(after).argmax(1, keepdim=True)
        next_said = target(after).gather(1, best).squeeze(1)
        wanted = reward + discount * (1 - fallen) * next_said
    return said, wanted


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    env = gymnasium.make("CartPole-v1")
    net = nn.Sequential(
        nn.Linear(4, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2)
    )
    target = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.0)
    memory = Memory(10000, 4)
    scores: list[float] = []
    for episode in range(arguments.episodes):
        observation, _ = env.reset(seed=arguments.seed * 10000 + episode)
        seen, score, over = torch.as_tensor(observation), 0.0, False
        while not over:
            curious = Bernoulli(max(0.02, 0.98 ** (memory.count / 20)))
            if curious.sample():
                action = int(torch.randint(2, ()))
            else:
                with torch.no_grad():
                    action = int(net(seen).argmax())
            observation, reward, fallen, ended, _ = env.step(action)
            after = torch.as_tensor(observation)
            memory.add(seen, action, float(reward), after, fallen)
            seen, score, over = after, score + float(reward), fallen or ended
            if memory.count < 256:
                continue
            said, wanted = worth(net, target, memory.draw(128), 0.99)
            loss = nn.functional.smooth_l1_loss(said, wanted)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_value_(net.parameters(), 1.0)
            optimizer.step()
            with torch.no_grad():
                torch._foreach_lerp_(list(target.parameters()), list(net.parameters()), 0.005)
        scores.append(score)
        recent = sum(scores[-20:]) / len(scores[-20:])
        if episode % 20 == 19:
            print(f"episode {episode + 1}: {recent:.1f} steps on average", flush=True)
        if len(scores) >= 20 and recent >= WANTED:
            break
    print(f"score {recent:.1f} after {len(scores)} episodes (wanted: {WANTED})")
    return 0 if recent >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
